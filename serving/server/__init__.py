"""The embedded server: TensorFlow Serving's REST API over pushed versions."""
