//! What a path names, and how constants are written.

use super::{LANGUAGE, OPEN, TWINS, judge};

#[test]
fn paths() {
    judge(&[
        (LANGUAGE, "tags.[[group]].n = 'x'", "a"),
        (LANGUAGE, "properties.reported.s = 'ok'", "ac"),
        (LANGUAGE, "properties.desired.blob.uri = 5", "b"),
        (LANGUAGE, "properties.desired.$version = 2 AND properties.reported.$version >= 2", "abcde"),
        (
            "left open, but used",
            "properties.reported.$metadata.s.$lastUpdated <= '1970-01-01T00:00:01Z'",
            "abc",
        ),
        // Names in [[ ]]: reserved words and odd characters, wherever a name can stand.
        ("azure-docs#17106", "[[tags]].[[group]].[[n]] = 'x'", "a"),
        ("azure-docs#17106", "tags.[[odd-name]] = true", "b"),
        // Names of the twin are found in any case ("SELECT DeviceId" is answered as `deviceId`); names below tags and
        // properties are exact.
        (TWINS, "DeviceId = 'a'", "a"),
        (TWINS, "Tags.site = 'plant-a'", "ab"),
        ("Understand and use device twins in IoT Hub", "tags.Site = 'plant-a'", ""),
        (OPEN, "Properties.Reported.s = 'ok'", ""),
        // What is not there is undefined, be it below a value.
        (OPEN, "IS_DEFINED(tags.site.more) OR IS_DEFINED(nothing) OR IS_DEFINED(deviceId.x)", ""),
        // RegistryManagerSample.cs writes `id` for `deviceId`; no document has it.
        (OPEN, "IS_DEFINED(id)", ""),
    ]);
}

/// Those that the sheet of a device's twin has.
#[test]
fn fields_of_the_twin_itself() {
    judge(&[
        (TWINS, "deviceId = 'b'", "b"),
        (TWINS, "IS_DEFINED(moduleId)", ""),
        (TWINS, "status = 'enabled'", "abcde"),
        (TWINS, "statusReason = null", "abcde"),
        (TWINS, "statusUpdateTime = '0001-01-01T00:00:00Z'", "abcde"),
        (TWINS, "connectionState = 'Disconnected'", "abcde"),
        (TWINS, "lastActivityTime < '2016-01-01T00:00:00Z'", "abcde"),
        (TWINS, "cloudToDeviceMessageCount = 0", "abcde"),
        (TWINS, "authenticationType = 'sas'", "abcde"),
        (TWINS, "capabilities.iotEdge = false", "abcd"),
        // Two writes of the service, one of the device.
        (TWINS, "etag = 'AAAAAAAAAAI=' AND version = 4", "abcde"),
        (TWINS, "IS_DEFINED(deviceEtag)", "abcde"),
    ]);
}

#[test]
fn constants() {
    judge(&[
        // "A float expressed in decimal notation", "0x followed by a string of hexadecimal digits".
        (LANGUAGE, "tags.floor = 2.5", "c"),
        (LANGUAGE, "tags.floor = 25e-1", "c"),
        (LANGUAGE, "tags.floor = 0x1", "a"),
        (LANGUAGE, "0XfF = 255", "abcde"),
        (LANGUAGE, "0x1000000000 = 68719476736", "abcde"),
        (LANGUAGE, "tags.floor > -1", "abc"),
        // Both quotes, and the escapes \' \" \\ \uXXXX.
        (LANGUAGE, "tags.site = \"plant-a\"", "ab"),
        (LANGUAGE, "'it\\'s' = \"it's\"", "abcde"),
        (LANGUAGE, "'say \\\"x\\\"' = 'say \"x\"'", "abcde"),
        (LANGUAGE, "'a\\\\b' = \"a\\u005cb\"", "abcde"),
        (LANGUAGE, "tags.site = 'plant\\u002Da'", "ab"),
        (LANGUAGE, "'\\u00e9' = 'é'", "abcde"),
        (LANGUAGE, "'' = \"\"", "abcde"),
        // Keywords and constants in any case, between any white space.
        (LANGUAGE, "NULL = Null", "abcde"),
        (LANGUAGE, "True", "abcde"),
        (LANGUAGE, "tags.site\n=\t'plant-a'aNd tags.floor=2", "b"),
    ]);
}
