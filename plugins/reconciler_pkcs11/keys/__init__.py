"""``Key``s that live in a partition: the public key service's operations over non-extractable objects (KM1, KM5, KM10).

A key is a row here and an object in the token for each of its versions. Whether it is enabled stands in the objects'
labels, so that another host's change counts here, too.
"""
