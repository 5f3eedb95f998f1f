"""wijha (وجهة): what an Arabic news sentence is about and where its speaker stands."""

from wijha.classifier import Classifier, Prediction, TopicPrediction
from wijha.errors import InputError
from wijha.schema import Schema

__all__ = ["Classifier", "InputError", "Prediction", "Schema", "TopicPrediction"]
__version__ = "0.2.0"
