"""Sharing: exports for the Model Zoo, bioimage.io and ONNX, and the certificate of a model."""
