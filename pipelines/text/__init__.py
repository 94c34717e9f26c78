"""What tasks that read text share: files, tokens, vocabularies, pretrained vectors."""
