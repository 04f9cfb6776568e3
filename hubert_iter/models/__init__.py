"""The encoder, its objectives, and conversion from and to other libraries."""
