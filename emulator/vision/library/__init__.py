"""The library that programs call: train, predict, evaluate, export, data sets."""
