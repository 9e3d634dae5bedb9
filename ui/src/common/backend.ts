/** The one door between a window and Rust. All state lives behind it: a window draws views and sends commands. */
import { invoke } from '@tauri-apps/api/core';
import { listen } from '@tauri-apps/api/event';
import type { CandidateCommand } from './bindings/CandidateCommand';
import type { CandidateView } from './bindings/CandidateView';
import type { LevelsView } from './bindings/LevelsView';
import type { LevelView } from './bindings/LevelView';
import type { MediaPort } from './bindings/MediaPort';
import type { ProctorCommand } from './bindings/ProctorCommand';
import type { ProctorView } from './bindings/ProctorView';

export type Unlisten = () => void;

export interface Backend<View, Command, Levels> {
  view(): Promise<View>;
  command(command: Command): Promise<void>;
  mediaPort(): Promise<MediaPort>;
  onView(listener: (view: View) => void): Promise<Unlisten>;
  onLevels(listener: (levels: Levels) => void): Promise<Unlisten>;
}

export type CandidateBackend = Backend<CandidateView, CandidateCommand, LevelView>;
export type ProctorBackend = Backend<ProctorView, ProctorCommand, LevelsView>;

function tauri<View, Command, Levels>(app: 'candidate' | 'proctor'): Backend<View, Command, Levels> {
  return {
    view: () => invoke<View>(`${app}_view`),
    command: (command) => invoke<void>(`${app}_command`, { command }),
    mediaPort: () => invoke<MediaPort>('media_port'),
    onView: (listener) => listen<View>('view', (event) => listener(event.payload)),
    onLevels: (listener) => listen<Levels>('levels', (event) => listener(event.payload)),
  };
}

export const candidateBackend = (): CandidateBackend => tauri('candidate');
export const proctorBackend = (): ProctorBackend => tauri('proctor');
