"""How Beam runs here, unless somebody names a runner."""

# Beam's DirectRunner looks for a Prism binary on each pipeline, and would download it. Without an image TFX packs
# itself into an archive for the workers of each component, which takes 2.3 s; here they are this process. Types of the
# collections, which nothing here depends on, would be inferred for each of hundreds of steps: a tenth of Transform.
LOCAL = ("--runner=FnApiRunner", "--sdk_container_image=unused", "--no_pipeline_type_check")
