//! How do style sheets, queries, markup and data name their parts?

use super::{
    super::row::{Definition as D, Role, Row},
    EMPTY,
};

pub(in super::super) static CSS: Row = Row {
    definitions: &[
        D::new(Role::Block, "rule_set").name("selectors").body("block"),
        D::new(Role::Block, "media_statement").name("feature_query|binary_query|=media").body("block"),
        D::new(Role::Block, "supports_statement").name("feature_query|binary_query|=supports").body("block"),
        D::new(Role::Block, "keyframes_statement").name("keyframes_name").body("keyframe_block_list"),
    ],
    imports: &["import_statement"],
    marks: &[],
    joints: &[],
    ..EMPTY
};

pub(in super::super) static SQL: Row = Row {
    definitions: &[
        D::new(Role::Type, "create_table").name("object_reference").body("column_definitions"),
        D::new(Role::Type, "create_view").name("object_reference").body("create_query"),
        D::new(Role::Type, "create_materialized_view").name("object_reference").body("create_query"),
        D::new(Role::Type, "create_type").name("object_reference").body(""),
        D::new(Role::Function, "create_function").name("object_reference").body("function_body"),
        D::new(Role::Function, "create_trigger").name("object_reference").body(""),
    ],
    wrappers: &["statement"],
    comments: &["comment", "marginalia"],
    calls: &[("invocation", "object_reference")],
    callee: "name",
    marks: &["--"],
    ..EMPTY
};

pub(in super::super) static YAML: Row = Row {
    definitions: &[D::new(Role::Block, "block_mapping_pair").name("key").body("value")],
    marks: &["#"],
    joints: &[],
    ..EMPTY
};

pub(in super::super) static JSON: Row =
    Row { definitions: &[D::new(Role::Block, "pair").name("key").body("value")], joints: &[], ..EMPTY };

pub(in super::super) static HCL: Row = Row {
    definitions: &[
        D::new(Role::Value, "block").name("=^").body("block_start"),
        D::new(Role::Block, "attribute").name("identifier").body("expression"),
    ],
    calls: &[("function_call", "identifier")],
    marks: &["#", "//"],
    joints: &[" "],
    ..EMPTY
};

pub(in super::super) static HTML: Row = Row { marks: &[], ..EMPTY };

pub(in super::super) static DOCKERFILE: Row =
    Row { imports: &["from_instruction"], marks: &["#"], joints: &[], ..EMPTY };
