//! `tcp flags` of nft, which has five ways to say it.

use super::nft::Cursor;
use super::syntax::Stop;
use crate::firewall::matches::{Condition, TcpFlags};

/// Every flag is looked at: `tcp flags == syn`.
const ALL: u8 = 0xff;

/// Reads what stands after `tcp flags`:
///
/// - `syn,ack`: any of them is set;
/// - `! syn`: it is not set;
/// - `== syn` or `!= syn`: exactly this is set;
/// - `& (syn | ack) == syn`: of these, exactly this is set;
/// - `syn / syn,ack` or `!= syn / syn,ack`: the same.
pub(in crate::firewall) fn tcp_flags(cursor: &mut Cursor) -> Result<Condition<TcpFlags>, Stop> {
    if cursor.next_if("!") {
        return Ok(Condition::Is(TcpFlags { mask: flag(cursor)?, value: 0 }));
    }
    if cursor.next_if("&") {
        let mask = expression(cursor)?;
        let negated = if cursor.next_if("!=") {
            true
        } else if cursor.next_if("==") {
            false
        } else {
            let place = cursor.peek().map_or(cursor.end()..cursor.end(), |word| word.range.clone());
            return Err(Stop::mistake(place, "`==` or `!=` is missing after the mask"));
        };
        let value = expression(cursor)?;
        return Ok(condition(negated, TcpFlags { mask, value }));
    }
    let exact = cursor.next_if("==");
    let negated = !exact && cursor.next_if("!=");
    let value =
        if cursor.peek().is_some_and(|word| word.text == "(") { expression(cursor)? } else { list(cursor)? };
    if cursor.next_if("/") {
        let mask = list(cursor)?;
        return Ok(condition(negated, TcpFlags { mask, value }));
    }
    if exact || negated {
        return Ok(condition(negated, TcpFlags { mask: ALL, value }));
    }
    Ok(Condition::IsNot(TcpFlags { mask: value, value: 0 }))
}

fn condition(negated: bool, flags: TcpFlags) -> Condition<TcpFlags> {
    if negated { Condition::IsNot(flags) } else { Condition::Is(flags) }
}

/// One flag by name, or a number.
fn flag(cursor: &mut Cursor) -> Result<u8, Stop> {
    let word = cursor.next("a TCP flag")?;
    if word.text == "{" {
        return Err(Stop::program("sets are not translated"));
    }
    let number = || match word.text.strip_prefix("0x") {
        Some(digits) => u8::from_str_radix(digits, 16).ok(),
        None => crate::firewall::matches::decimal(&word.text),
    };
    TcpFlags::bit(&word.text).or_else(number).ok_or_else(|| {
        Stop::mistake(word.range.clone(), format!("there is no TCP flag `{}`", word.text))
            .help(format!("the flags are {}", TcpFlags::NAMES.join(", ")))
    })
}

/// `syn,ack`
fn list(cursor: &mut Cursor) -> Result<u8, Stop> {
    let mut bits = flag(cursor)?;
    while cursor.next_if(",") {
        bits |= flag(cursor)?;
    }
    Ok(bits)
}

/// `syn`, `syn|ack` or `(syn | ack)`
fn expression(cursor: &mut Cursor) -> Result<u8, Stop> {
    let in_brackets = cursor.next_if("(");
    let mut bits = flag(cursor)?;
    while cursor.next_if("|") {
        bits |= flag(cursor)?;
    }
    if in_brackets && !cursor.next_if(")") {
        let place = cursor.peek().map_or(cursor.end()..cursor.end(), |word| word.range.clone());
        return Err(Stop::mistake(place, "`)` is missing"));
    }
    Ok(bits)
}
