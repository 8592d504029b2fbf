"""Files that put pushed models on TensorFlow Serving elsewhere: compose, Kubernetes, KServe, with their monitoring."""
