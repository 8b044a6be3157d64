"""Herkend: recognises a webshop's customers: who is new, who comes back, and why."""
