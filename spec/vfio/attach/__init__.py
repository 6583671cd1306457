"""Devices behind a vIOMMU: VFIO attaches them, and the vIOMMU learns of each."""
