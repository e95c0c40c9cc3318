#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    iothub_emulator::fuzz::token(input).unwrap();
});
