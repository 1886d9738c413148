"""Lanes of mail with one purpose and reputation; they decide priority, transport and duplicate policy."""
