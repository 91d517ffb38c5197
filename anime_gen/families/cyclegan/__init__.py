"""CycleGAN, with and without landmarks. Read network, loss, pool, landmarks, assistance, module, in this order."""
