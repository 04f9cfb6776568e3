"""Features: MFCC, archives, and the layers of trained models."""
