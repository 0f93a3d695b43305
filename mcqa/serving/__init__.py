"""Answer questions over HTTP, in the two formats that decision models are asked in."""
