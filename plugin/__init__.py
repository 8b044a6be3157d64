"""Herkend: recognises a webshop's customers and treats each group fittingly."""
