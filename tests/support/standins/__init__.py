"""Providers that stand in for the real ones: they speak the real protocol, and do as they are told.

They share no code with the adapters that are tested against them.
"""
