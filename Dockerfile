# The pipeline (the server is TF Serving's own image: see compose.yaml).
#   docker build -t penstock .
#   docker run --rm -v "$PWD/data:/penstock/data" -v penstock-runs:/penstock/.penstock penstock run problems/flights.yaml
FROM python:3.13.9-slim-trixie

RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 penstock \
    && install -d -o penstock -g penstock /penstock /penstock/data /penstock/.penstock

USER penstock
WORKDIR /penstock

# The packages first: they change less often than the code. The project is installed editable, so names will do.
COPY --chown=penstock pyproject.toml uv.lock README.md LICENSE Makefile ./
COPY --chown=penstock tools tools
RUN mkdir pipeline models schemas serving && make setup && rm -rf ~/.cache

COPY --chown=penstock . .
ENV PATH=/penstock/.venv/bin:$PATH
ENTRYPOINT ["penstock"]
CMD ["--help"]
