# An image of the project with the files that a person put into images/weights.
# Without such files it is never built, and the image that it starts from is the one in use.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY weights /opt/weights
