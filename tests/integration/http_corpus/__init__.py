"""What HTTP/1.1 clients may send and what must become of it, made from the grammar of RFC 9110 and
9112: tables of spellings, and two parsers that judge what reaches an upstream."""
