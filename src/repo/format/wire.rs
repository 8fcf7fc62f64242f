//! Little-endian numbers and bounded bytes: the small tools of the binary formats.
