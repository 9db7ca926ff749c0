"""Exports of versions: files that run without Servery, or that another Servery reads."""
