//! Where are the products with weights computed?

use std::sync::OnceLock;

use candle_core::Device;

use super::tiles;

/// The first GPU where the feature `cuda` or `metal` is on and there is one, else the processor.
///
/// Not tried: no machine with such a GPU and its compiler was at hand. Only products with weights would run there.
pub(super) fn device() -> &'static Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(|| {
        #[cfg(feature = "cuda")]
        if let Ok(device) = Device::new_cuda(0) {
            return device;
        }
        #[cfg(feature = "metal")]
        if let Ok(device) = Device::new_metal(0) {
            return device;
        }
        Device::Cpu
    })
}

/// Whether our own kernels are used, instead of candle's.
pub(super) fn is_own() -> bool {
    device().is_cpu() && tiles::available()
}
