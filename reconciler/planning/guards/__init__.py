"""The guards that look beyond one resource: what a plan is refused for, each with the ordered way out (CONTRACT 5).

    key_in_use    a key goes, and something is still sealed under it: refused absolutely (I3)
    outage        a key is disabled or a grant revoked on which something rests: reversible, and accepted by name
    name_taken    something unmanaged has the name that would be made

Each is asked again by the step itself, right before its call. ``touching`` says which keys a change is about, so that
the plan tells what each of them opens.
"""
