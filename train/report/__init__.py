"""One HTML page on a saved model: scores, curves, calibration, slices, every error, and a second model beside it."""
