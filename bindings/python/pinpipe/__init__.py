"""The Pinterest data pipeline in one package: records, cleaning, Kafka, S3, IAM signing, the nine answers.

Everything public is a name of this package; modules that begin with an underscore are private.
"""
