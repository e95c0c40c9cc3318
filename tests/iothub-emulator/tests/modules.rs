//! Modules over the wire: identities below a device, and their twins.

mod common;

use common::{HOUR, Hub};
use serde_json::{Value, json};

#[tokio::test]
async fn a_module_is_created_read_updated_and_deleted() {
    let hub = Hub::start().await;
    hub.emulator.create_device("d1", &Value::Null).unwrap();
    let body = json!({"deviceId": "d1", "moduleId": "m1", "managedBy": "someone", "authentication": {"type": "sas", "symmetricKey": {"primaryKey": "", "secondaryKey": ""}}});
    let created = hub.call("PUT", "/devices/d1/modules/m1", &[], Some(body.clone())).await;
    assert_eq!(created.status, 200);
    assert_eq!(
        (&created.body["deviceId"], &created.body["moduleId"], &created.body["managedBy"]),
        (&json!("d1"), &json!("m1"), &json!("someone"))
    );
    assert_eq!(created.body["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap().len(), 44);
    // Only a device has a status.
    assert_eq!(created.body.get("status"), None);

    let again = hub.call("PUT", "/devices/d1/modules/m1", &[], Some(body.clone())).await;
    assert_eq!((again.status, again.header("iothub-errorcode")), (409, Some("ModuleAlreadyExistsOnDevice")));
    assert_eq!(hub.call("GET", "/devices/d1/modules/m1", &[], None).await.body, created.body);

    let stale =
        hub.call("PUT", "/devices/d1/modules/m1", &[("if-match", "\"AAAA\"")], Some(body.clone())).await;
    assert_eq!((stale.status, stale.header("iothub-errorcode")), (412, Some("PreconditionFailed")));
    let etag = format!("\"{}\"", created.body["etag"].as_str().unwrap());
    // Only a device can be an Edge device.
    let body = json!({"capabilities": {"iotEdge": true}});
    let updated = hub.call("PUT", "/devices/d1/modules/m1", &[("if-match", &etag)], Some(body)).await;
    assert_eq!((updated.status, &updated.body["managedBy"]), (200, &Value::Null));
    assert_ne!(updated.body["etag"], created.body["etag"]);
    assert_eq!(updated.body["authentication"], created.body["authentication"]);

    // Ids come percent-encoded whole, and the list has those of one device only, in order.
    hub.call("PUT", "/devices/d1/modules/%24a", &[], Some(json!({}))).await;
    hub.emulator.create_device("d1-2", &Value::Null).unwrap();
    hub.call("PUT", "/devices/d1-2/modules/other", &[], Some(json!({}))).await;
    let list = hub.call("GET", "/devices/d1/modules", &[], None).await;
    let ids: Vec<_> = list.body.as_array().unwrap().iter().map(|module| &module["moduleId"]).collect();
    assert_eq!(ids, ["$a", "m1"]);
    assert_eq!(hub.call("GET", "/devices", &[], None).await.body.as_array().unwrap().len(), 2);

    assert_eq!(
        hub.call("DELETE", "/devices/d1/modules/m1", &[("if-match", "\"AAAA\"")], None).await.status,
        412
    );
    assert_eq!(hub.call("DELETE", "/devices/d1/modules/m1", &[("if-match", "*")], None).await.status, 204);
    for (path, code) in [
        ("/devices/d1/modules/m1", "ModuleNotFound"),
        ("/twins/d1/modules/m1", "ModuleNotFound"),
        ("/devices/none/modules/m1", "DeviceNotFound"),
        ("/devices/none/modules", "DeviceNotFound"),
        ("/twins/none/modules/m1", "DeviceNotFound"),
    ] {
        let gone = hub.call("GET", path, &[], None).await;
        assert_eq!((gone.status, gone.header("iothub-errorcode")), (404, Some(code)), "{path}");
    }
    let orphan = hub.call("PUT", "/devices/none/modules/m1", &[], Some(json!({}))).await;
    assert_eq!((orphan.status, orphan.header("iothub-errorcode")), (404, Some("DeviceNotFound")));
    let misnamed = hub.call("PUT", "/devices/d1/modules/m2", &[], Some(json!({"moduleId": "m3"}))).await;
    assert_eq!(misnamed.status, 400);

    // A device takes its modules along.
    assert_eq!(hub.call("DELETE", "/devices/d1", &[("if-match", "*")], None).await.status, 204);
    hub.emulator.create_device("d1", &Value::Null).unwrap();
    assert_eq!(hub.call("GET", "/devices/d1/modules", &[], None).await.body, json!([]));
    assert_eq!(hub.call("GET", "/devices/d1-2/modules/other", &[], None).await.status, 200);
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn a_modules_twin_is_its_own() {
    let hub = Hub::start().await;
    hub.emulator.create_device("d1", &json!({"site": "a"})).unwrap();
    hub.call("PUT", "/devices/d1/modules/m1", &[], Some(json!({}))).await;
    let fresh = hub.call("GET", "/twins/d1/modules/m1", &[], None).await;
    assert_eq!((fresh.status, fresh.header("etag")), (200, Some("\"AAAAAAAAAAE=\"")));
    assert_eq!(
        (&fresh.body["deviceId"], &fresh.body["moduleId"], fresh.body.get("tags")),
        (&json!("d1"), &json!("m1"), None)
    );

    let patch = json!({"tags": {"t": 1}, "properties": {"desired": {"a": 1, "b": 2}}});
    let patched = hub
        .call("PATCH", "/twins/d1/modules/m1", &[("if-match", "\"AAAAAAAAAAE=\"")], Some(patch.clone()))
        .await;
    assert_eq!((patched.status, &patched.body["properties"]["desired"]["$version"]), (200, &json!(2)));
    let stale =
        hub.call("PATCH", "/twins/d1/modules/m1", &[("if-match", "\"AAAAAAAAAAE=\"")], Some(patch)).await;
    assert_eq!(stale.status, 412);
    let put = json!({"properties": {"desired": {"b": 3}}});
    let put = hub.call("PUT", "/twins/d1/modules/m1", &[("if-match", "\"*\"")], Some(put)).await;
    let desired = &put.body["properties"]["desired"];
    assert_eq!((&desired["b"], desired.get("a"), &put.body["tags"]), (&json!(3), None, &json!({"t": 1})));

    let device = hub.call("GET", "/twins/d1", &[], None).await;
    assert_eq!((&device.body["tags"], &device.body["version"]), (&json!({"site": "a"}), &json!(3)));
    assert_eq!(device.body.get("moduleId"), None);
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn an_edge_device_comes_with_its_modules() {
    let hub = Hub::start().await;
    let edge = json!({"deviceId": "e1", "capabilities": {"iotEdge": true}});
    let created = hub.call("PUT", "/devices/e1", &[], Some(edge.clone())).await;
    assert!(created.body["deviceScope"].as_str().unwrap().starts_with("ms-azure-iot-edge://e1-"));
    let modules = hub.call("GET", "/devices/e1/modules", &[], None).await;
    let modules = modules.body.as_array().unwrap();
    let ids: Vec<_> = modules.iter().map(|module| &module["moduleId"]).collect();
    assert_eq!(ids, ["$edgeAgent", "$edgeHub"]);
    for module in modules {
        assert_eq!(
            (&module["managedBy"], &module["authentication"]["type"]),
            (&json!("iotEdge"), &json!("none"))
        );
        assert_eq!(module["authentication"]["symmetricKey"]["primaryKey"], Value::Null);
    }
    // A device that becomes one later gets them as well, and does not lose them to the next write.
    hub.emulator.create_device("e2", &Value::Null).unwrap();
    for _ in 0..2 {
        let body = json!({"deviceId": "e2", "capabilities": {"iotEdge": true}});
        assert_eq!(hub.call("PUT", "/devices/e2", &[("if-match", "*")], Some(body)).await.status, 200);
        assert_eq!(hub.call("GET", "/devices/e2/modules", &[], None).await.body.as_array().unwrap().len(), 2);
    }
    hub.emulator.shutdown().await;
}

#[tokio::test]
async fn modules_need_the_rights_of_their_devices_and_have_a_limit() {
    let hub = Hub::start().await;
    hub.emulator.create_device("d1", &Value::Null).unwrap();
    for n in 0..50 {
        let path = format!("/devices/d1/modules/m{n}");
        assert_eq!(hub.call("PUT", &path, &[], Some(json!({}))).await.status, 200);
    }
    let more = hub.call("PUT", "/devices/d1/modules/m50", &[], Some(json!({}))).await;
    assert_eq!((more.status, more.header("iothub-errorcode")), (413, Some("TooManyModulesOnDevice")));

    let token = |policy| hub.emulator.policy_token(policy, HOUR).unwrap();
    let table = [
        ("registryRead", "GET", "/devices/d1/modules", 200),
        ("registryRead", "GET", "/devices/d1/modules/m1", 200),
        ("registryRead", "DELETE", "/devices/d1/modules/m1", 401),
        ("registryRead", "GET", "/twins/d1/modules/m1", 401),
        ("service", "GET", "/twins/d1/modules/m1", 200),
        ("service", "GET", "/devices/d1/modules/m1", 401),
        ("registryReadWrite", "DELETE", "/devices/d1/modules/m1", 204),
    ];
    for (policy, method, path, status) in table {
        let reply = hub.call(method, path, &[("authorization", &token(policy))], None).await;
        assert_eq!(reply.status, status, "{policy} {method} {path}");
    }
    hub.emulator.shutdown().await;
}
