// Colours of the picture, taken from the style sheet so that both schemes are told in one place.
import { modality } from "../format";

export interface Theme {
  paper: string;
  text: string;
  soft: string;
  line: string;
  zone: string;
  warn: string;
  flash: string;
  hue: (signature: string) => string;
}

export function readTheme(): Theme {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const hues = new Map(["image", "audio", "table"].map((kind) => [kind, value(kind)]));
  const other = value("other");
  return {
    paper: value("paper"),
    text: value("text"),
    soft: value("soft"),
    line: value("edge"),
    zone: value("zone"),
    warn: value("warn"),
    flash: value("flash"),
    hue: (signature) => hues.get(modality(signature)) ?? other,
  };
}
