"""Images as tensors: fetched, split, batched, augmented."""
