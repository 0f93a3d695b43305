"""From questions to prompts and token ids, and from written answers back to options."""
