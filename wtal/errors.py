"""What can go wrong with a user's files and settings: one sentence that names the file, the video and the mend."""

__all__ = [
    "AnnotationError",
    "CheckpointError",
    "ConfigError",
    "FeatureError",
    "FeatureNotFoundError",
    "PredictionError",
    "VideoError",
    "WTALError",
]


class WTALError(Exception):
    """Base of every error a user can mend; the command line prints it without traceback and exits with 2."""


class AnnotationError(WTALError):
    """An annotation file is unreadable, incomplete or contradicts itself or the class list."""


class FeatureError(WTALError):
    """A feature file is unreadable, has a wrong shape, holds NaN or disagrees with another stream."""


class FeatureNotFoundError(FeatureError):
    """A labelled video has no features."""


class PredictionError(WTALError):
    """A prediction file is unreadable, incomplete or disagrees with the class list."""


class VideoError(WTALError):
    """A video file is missing, unreadable, or holds no picture."""


class ConfigError(WTALError):
    """Settings that cannot work together or name something that does not exist."""


class CheckpointError(WTALError):
    """A checkpoint is unreadable or belongs to another model, class list or training set."""
