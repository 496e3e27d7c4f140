// Sounds: recorded by the browser, or files of any kind it can play, as WAV.

export interface Sound {
  samples: Float32Array;
  rateHz: number;
}

/** A recorded or dropped sound, decoded and mixed to mono; rejects if the browser cannot. */
export async function decode(body: Blob): Promise<Sound> {
  const context = new AudioContext();
  try {
    const heard = await context.decodeAudioData(await body.arrayBuffer());
    const samples = new Float32Array(heard.length);
    for (let channel = 0; channel < heard.numberOfChannels; channel++)
      for (const [i, value] of heard.getChannelData(channel).entries())
        samples[i]! += value / heard.numberOfChannels;
    return { samples, rateHz: heard.sampleRate };
  } finally {
    await context.close();
  }
}

/** A mono 16-bit WAV file. */
export function wav({ samples, rateHz }: Sound): Blob {
  const view = new DataView(new ArrayBuffer(44 + samples.length * 2));
  const text = (at: number, value: string) => [...value].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + samples.length * 2, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rateHz, true);
  view.setUint32(28, rateHz * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, samples.length * 2, true);
  for (const [i, value] of samples.entries())
    view.setInt16(44 + i * 2, Math.max(-1, Math.min(1, value)) * 32767, true);
  return new Blob([view], { type: "audio/wav" });
}

const LONGEST_MS = 4000;

/** A recording under way. */
export interface Recording {
  stop: () => void;
  /** Loudness now, 0..1. */
  level: () => number;
  done: Promise<Blob>;
}

/** Begin to record; ends by itself after a while. Rejects without a microphone or permission. */
export async function record(): Promise<Recording> {
  if (!navigator.mediaDevices)
    throw new Error("Browsers lend the microphone only to pages from https or from this machine; open a sound file instead.");
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const recorder = new MediaRecorder(stream);
  const parts: Blob[] = [];
  const { level, close } = meter(stream);
  const done = new Promise<Blob>((resolve) => {
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onstop = () => {
      for (const track of stream.getTracks()) track.stop();
      close();
      resolve(new Blob(parts, { type: recorder.mimeType }));
    };
  });
  recorder.start();
  const end = setTimeout(() => recorder.stop(), LONGEST_MS);
  const stop = () => {
    clearTimeout(end);
    if (recorder.state === "recording") recorder.stop();
  };
  return { stop, level, done };
}

function meter(stream: MediaStream) {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  const wave = new Float32Array(analyser.fftSize);
  context.createMediaStreamSource(stream).connect(analyser);
  const level = (): number => {
    analyser.getFloatTimeDomainData(wave);
    return Math.min(1, 4 * Math.sqrt(wave.reduce((sum, v) => sum + v * v, 0) / wave.length));
  };
  return { level, close: () => void context.close() };
}
