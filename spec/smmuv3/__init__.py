"""QEMU's Arm vIOMMU with acceleration: an SMMUv3 whose guest tables the host's SMMU walks."""
