"""The learning rate: linear warm-up, then linear to zero."""


def learning_rate(update: int, updates: int, peak: float, warmup: float) -> float:
    """Rate of the update number `update` (the first is 0); `warmup`: fraction of updates spent in linear warm-up."""
    rising = max(1, round(warmup * updates))
    if update < rising:
        return peak * (update + 1) / rising
    return peak * (updates - update) / max(1, updates - rising)
