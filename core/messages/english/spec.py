"""What cannot work together in a spec, or on the workers that are live."""

from __future__ import annotations

from core.messages.template import Template

SPEC: dict[str, Template] = {
    "spec.unknown_preset": "there is no such preset; known: {known:list}",
    "spec.subset_too_large": "{dataset} has {images} images to train on; choose at most that",
    "spec.validation_too_small": "{share:digits} of {images} images are {split}, and {dataset} has "
    "{classes} classes; choose a larger share or a larger data.subset",
    "spec.patience_without_validation": "early stopping is decided by a validation split, and "
    "there is none; set data.validation above 0, or leave this empty",
    "spec.target_without_validation": "the target is decided by a validation split, and there is "
    "none; set data.validation above 0, or leave this empty",
    "spec.best_without_validation": "the best epoch is decided by a validation split, and there "
    "is none; set data.validation above 0, or choose last",
    "spec.batch_too_large": "{dataset} has {images} images to train on here; choose a batch size "
    "of at most that",
    "spec.batch_too_small": "a batch of {images} cannot be split in {parts} parts (micro_batches "
    "times devices); choose a larger batch size, or fewer of those",
    "spec.last_batch_too_small": "a batch of {images} is left over at the end of an epoch, too few "
    "for {devices} devices; choose another batch size",
    "spec.batch_of_one": "a part of one image is left over, and batch norm cannot work on the "
    "single value that this network leaves of it; choose another batch size, or fewer "
    "micro_batches",
    "spec.kernel_too_large": "the images of {dataset} are {size} pixels wide; choose a kernel of "
    "at most that",
    "spec.too_many_pools": "the images of {dataset} are {size} pixels wide, and no pixel is left "
    "after so many max-pools; choose fewer channels",
    "spec.mix_needs_cross_entropy": "{mix} needs loss cross_entropy: {loss} takes whole labels "
    "only; change loss, or choose none",
    "spec.smoothing_needs_cross_entropy": "label smoothing needs loss cross_entropy: {loss} takes "
    "whole labels only; change loss, or set this to 0",
    "spec.no_colors": "the images of {dataset} are gray and have no colors to change; set this to "
    "0, or choose another augmentation.kind",
    "spec.shift_too_large": "the images of {dataset} are {size} pixels wide; shift them by less",
    "spec.crop_too_large": "the images of {dataset} are {size} pixels wide; choose a margin "
    "narrower than that",
    "spec.fp16_needs_gpu": "fp16 needs a GPU, and device is {device}; set device to cuda, or "
    "choose auto",
    "spec.fp16_with_muon": "fp16 scales its losses, which Muon does not take; choose bf16, or "
    "another optimizer",
    "spec.tf32_needs_gpu": "TF32 is a GPU's, and device is cpu; turn it off, or change device",
    "spec.nesterov_needs_momentum": "set momentum above 0, or turn nesterov off",
    "spec.devices_need_a_worker": "several devices need a process each: submit the run to a worker",
    "spec.no_gpu_here": "torch sees no CUDA GPU here; choose auto or cpu",
    "spec.no_gpus": "of the live workers that serve queue {queue} none has a GPU; choose another "
    "device or queue, or start a worker on a host with {devices} GPUs",
    "spec.too_many_devices": "of the live workers that serve queue {queue} none can give one run "
    "{devices} devices, the most is {most}; choose at most {most}, or another queue, or start a "
    "worker with more GPUs or with more slots of a CPU (TRAINYARD_SLOTS)",
}
