//! Merging of settings that come in layers, field by field.

use crate::policy::traffic::PolicySetting;

/// A value that a lower layer (a younger policy, or a wider target) can complete.
pub(super) trait PolicyLayer {
    /// Takes from a lower layer what is not set here.
    fn inherit(&mut self, lower: &Self);
}

impl<T: Clone> PolicyLayer for Option<T> {
    fn inherit(&mut self, lower: &Self) {
        if self.is_none() {
            self.clone_from(lower);
        }
    }
}

impl<T: Clone> PolicyLayer for PolicySetting<T> {
    fn inherit(&mut self, lower: &Self) {
        if self.is_unset() {
            self.clone_from(lower);
        }
    }
}

/// A switch that every layer can turn on.
impl PolicyLayer for bool {
    fn inherit(&mut self, lower: &Self) {
        *self |= lower;
    }
}

/// Defines a struct whose fields are merged one by one.
macro_rules! policy_layer {
    ($(#[$meta:meta])* $visible:vis struct $name:ident {
        $($(#[$doc:meta])* $field_visible:vis $field:ident: $type:ty,)*
    }) => {
        $(#[$meta])*
        $visible struct $name {
            $($(#[$doc])* $field_visible $field: $type,)*
        }

        impl PolicyLayer for $name {
            fn inherit(&mut self, lower: &Self) {
                $(self.$field.inherit(&lower.$field);)*
            }
        }
    };
}

pub(super) use policy_layer;
