"""One-time codes: who asked for one, who proved with it that a telephone or a mailbox is theirs."""
