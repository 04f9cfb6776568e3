"""Recognition on a network's layers, by ESPnet: tokens, front end, training, decoding, error rates, table."""
