//! Names: zone-file text to labels and back, and out of a message through its pointers.

/// The labels of a name in zone-file text: `\.` and `\DDD` are read, a last dot is optional.
pub(crate) fn labels(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut labels = Vec::new();
    let mut label = Vec::new();
    let mut bytes = text.bytes();
    if text == "." {
        return Ok(labels);
    }
    while let Some(byte) = bytes.next() {
        match byte {
            b'.' => labels.push(std::mem::take(&mut label)),
            b'\\' => label.push(escaped(&mut bytes, text)?),
            _ => label.push(byte),
        }
    }
    if !label.is_empty() {
        labels.push(label);
    }
    if labels
        .iter()
        .any(|label| label.is_empty() || label.len() > 63)
    {
        return Err(format!(
            "`{text}` has an empty label or one of more than 63 bytes"
        ));
    }
    Ok(labels)
}

fn escaped(bytes: &mut std::str::Bytes<'_>, text: &str) -> Result<u8, String> {
    let broken = || format!("`{text}` ends within an escape");
    let first = bytes.next().ok_or_else(broken)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = bytes.next().filter(u8::is_ascii_digit).ok_or_else(broken)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).map_err(|_| format!("`{text}` has an escape above 255"))
}

/// Labels as uncompressed wire bytes.
pub(crate) fn to_wire(labels: &[Vec<u8>]) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in labels {
        wire.push(label.len() as u8);
        wire.extend_from_slice(label);
    }
    wire.push(0);
    wire
}

/// One label as zone-file text.
fn label_text(label: &[u8]) -> String {
    label
        .iter()
        .map(|byte| match byte {
            b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => {
                format!("\\{}", char::from(*byte))
            }
            0x21..=0x7e => char::from(*byte).to_string(),
            _ => format!("\\{byte:03}"),
        })
        .collect()
}

/// Reads the name at `at` of `message`, following pointers.
///
/// Returns its zone-file text and the offset of what follows it.
pub(crate) fn read(message: &[u8], at: usize) -> Result<(String, usize), String> {
    let mut text = String::new();
    let mut here = at;
    let mut after = None;
    let mut jumps = 0;
    loop {
        let length = *message.get(here).ok_or("a name runs past the end")?;
        match length {
            0 => {
                let text = if text.is_empty() {
                    ".".to_owned()
                } else {
                    text
                };
                return Ok((text, after.unwrap_or(here + 1)));
            }
            1..=63 => {
                let end = here + 1 + usize::from(length);
                let label = message
                    .get(here + 1..end)
                    .ok_or("a label runs past the end")?;
                text.push_str(&label_text(label));
                text.push('.');
                here = end;
            }
            0xc0..=0xff => {
                let low = *message.get(here + 1).ok_or("a pointer runs past the end")?;
                after.get_or_insert(here + 2);
                here = usize::from(length & 0x3f) << 8 | usize::from(low);
                jumps += 1;
                if jumps > 64 {
                    return Err("a name's pointers loop".to_owned());
                }
            }
            _ => return Err(format!("label type {length:#04x} at byte {here}")),
        }
    }
}
