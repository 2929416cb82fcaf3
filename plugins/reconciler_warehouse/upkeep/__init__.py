"""What comes due without anybody asking, and files that nobody needs any more."""
