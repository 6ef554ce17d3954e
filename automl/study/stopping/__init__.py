"""Which running trials go on."""
