"""Stands for `segassay.data.channel_choice`, whose file a bundle holds in place of this one."""

from segassay.data.channel_choice import ChannelError, choose_channels, usable_names

__all__ = ["ChannelError", "choose_channels", "usable_names"]
