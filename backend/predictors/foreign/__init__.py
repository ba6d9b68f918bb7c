"""Predictors whose answers come from elsewhere: other servers, files and functions, chat models."""
