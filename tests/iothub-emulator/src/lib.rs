//! An IoT Hub emulator.
