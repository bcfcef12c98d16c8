"""The record pump: objects in, requests to the model, objects out."""
