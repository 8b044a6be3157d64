"""Saleor's events: how they come in, are checked, kept and understood."""
