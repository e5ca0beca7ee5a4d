"""The deployment: the resources on AWS as CloudFormation, the builder of the zip, and the command `bin/deploy`."""
