"""What is no bottle of plastic: cans, cups, glass, tins, boxes, paper, jars, slabs.

One function a kind. Each returns parts in the thing's own frame: axis along x, base at x = 0.
"""

from __future__ import annotations

import numpy as np

from models.vision.rendering.parts import (
    PAPER_M,
    WALLED,
    Part,
    Thing,
    cap_on,
    inside_out,
    lacquer,
    seen_through,
    sleeve_on,
    turned,
)
from models.vision.rendering.profiles import Bottle, battered, can, cup, cylinder
from models.vision.rendering.solids import ball, block, lathe, stretched
from models.vision.rendering.surfaces import Material, print_colour, printed, tone


def drink_can(rng: np.random.Generator) -> Thing:
    """An aluminium can, sometimes trodden on."""
    radius = rng.uniform(0.025, 0.036)
    length = np.clip(2 * radius * rng.uniform(1.5, 2.9), 0.085, 0.17)
    outline = can(length, radius, neck=rng.uniform(0.8, 0.94))
    worn = battered(
        rng,
        length,
        radius,
        dents=int(rng.choice([0, 0, 1, 3])),
        flat=rng.uniform(0.1, 0.55) if rng.random() < 0.15 else 0.0,
    )
    body = lathe(outline.along, outline.radii, deform=worn)
    # Printed before it is drawn in at the neck: seldom is there bare metal but at the ends.
    start, end = outline.label_from, outline.label_to
    if rng.random() < 0.8:
        start, end = 0.0015, length - 0.0035
    along = np.linspace(start, end, 60)
    sleeve = lathe(along, np.interp(along, outline.along, outline.radii) + PAPER_M, deform=worn)
    bare = Material("metal", (0.85, 0.85, 0.86), roughness=rng.uniform(0.08, 0.35))
    shiny = rng.random() < 0.6
    ink = printed(rng, barcode=0.4)
    gloss = rng.uniform(0.12, 0.55)
    paint = Material("metal" if shiny else "plastic", texture=ink, roughness=gloss)
    return Thing("can", ("soda",), (Part(body, bare), Part(sleeve, paint)))


def yogurt(rng: np.random.Generator) -> Thing:
    """A cup, with or without its lid."""
    length = rng.uniform(0.055, 0.13)
    bottom = rng.uniform(0.02, 0.042)
    mouth = bottom * rng.uniform(1.08, 1.45)
    outline = cup(length, bottom, mouth, rim=rng.uniform(0.001, 0.004))
    white = rng.random() < 0.65
    ground = tone(rng, saturation=(0, 0.06), value=(0.75, 1.0)) if white else print_colour(rng)
    plain = rng.random() < 0.25
    material = (
        lacquer(rng, ground)
        if plain
        else Material("plastic", texture=printed(rng, ground=ground), roughness=0.25)
    )
    along, radii = outline.along, outline.radii
    parts = []
    if rng.random() < 0.55:  # eaten: open, one sees the inside
        along, radii = along[:-1], radii[:-1]
        inner = lathe(along[2:], np.maximum(radii[2:] - 0.001, 0.001))
        parts.append(Part(inside_out(inner), lacquer(rng, ground)))
    else:
        parts.append(_lid(rng, length, mouth + 0.002))
    return Thing("yogurt", ("yogurt",), (Part(lathe(along, radii), material), *parts))


def _lid(rng: np.random.Generator, at: float, radius: float) -> Part:
    """Foil, or a cover of plastic; flat, or arched by what ferments below it."""
    arch = radius * rng.uniform(0.05, 0.6) if rng.random() < 0.6 else 0.0
    turn = np.linspace(0, np.pi / 2, 14)
    along = np.append(at, at + 0.0008 + arch * np.sin(turn))
    solid = lathe(along, np.append(radius, radius * np.cos(turn)))
    pick = rng.random()
    if pick < 0.5:
        grey = rng.uniform(0.6, 0.95)
        return Part(solid, Material("metal", (grey, grey, grey), roughness=rng.uniform(0.08, 0.45)))
    if pick < 0.65:
        pale = tone(rng, saturation=(0, 0.06), value=(0.85, 1.0))
        return Part(solid, Material("film", pale, ior=1.5, haze=rng.uniform(0.1, 0.7)))
    white = tone(rng, saturation=(0, 0.06), value=(0.6, 1.0))
    return Part(solid, lacquer(rng, white if rng.random() < 0.6 else print_colour(rng)))


def other(rng: np.random.Generator) -> Thing:
    """What belongs into another bin: glass, tins, boxes, paper, a telephone."""
    makers = (_glass, _glass, _glass, _glass, _tin, _tin, _box, _crumpled, _crumpled, _jar, _slab)
    parts = makers[int(rng.integers(len(makers)))](rng)
    return Thing("other", ("non_mineral",), parts)


def _glass(rng: np.random.Generator) -> tuple[Part, ...]:
    """A bottle of wine, beer, juice or cough syrup: thick, long or short in the neck, dark."""
    length = rng.uniform(0.14, 0.32)
    slender = rng.random() < 0.5
    shape = Bottle(
        length=length,
        radius=np.clip(length * rng.uniform(0.11, 0.16 if slender else 0.24), 0.024, 0.045),
        neck_radius=rng.uniform(0.01, 0.015),
        neck=length * rng.uniform(0.1, 0.3) if slender else rng.uniform(0.01, 0.05),
        shoulder=length * rng.uniform(0.1, 0.25 if slender else 0.4),
        power=rng.uniform(0.5, 1.3),
        base=rng.uniform(0.003, 0.01),
    )
    hue = rng.choice([0.34, 0.3, 0.07, 0.05, 0.6])
    dark = 10 ** rng.uniform(-2.0, -0.3)
    look = tone(rng, hue=(hue - 0.03, hue + 0.03), saturation=(0.75, 0.98), value=(dark, dark))
    straight = battered(rng, length, shape.radius)
    wall = Material("clear", seen_through(look, WALLED), ior=rng.uniform(1.48, 1.56))
    body = Part(turned(shape.profile(), straight), wall)
    inside = Part(inside_out(turned(shape.profile(inset=0.003), straight)), wall)
    colour = tone(rng, saturation=(0, 0.4), value=(0.3, 0.9))
    cap = cap_on(rng, shape, straight, chance=0.2, colour=colour)
    return (body, inside, *sleeve_on(rng, shape, straight, chance=0.8), *cap)


def _tin(rng: np.random.Generator) -> tuple[Part, ...]:
    length, radius = rng.uniform(0.04, 0.13), rng.uniform(0.03, 0.05)
    outline = cylinder(length, radius, edge=0.0015)
    worn = battered(rng, length, radius, dents=int(rng.choice([0, 0, 1])))
    metal = tone(rng, hue=(0.1, 0.15), saturation=(0.0, 0.25), value=(0.6, 0.9))
    bare = Material("metal", metal, roughness=rng.uniform(0.1, 0.35))
    body = Part(lathe(outline.along, outline.radii, deform=worn), bare)
    if rng.random() < 0.3:
        return (body,)
    edge = rng.uniform(0.004, 0.014)
    along = np.linspace(edge, length - edge, 12)
    paper = lathe(along, np.full(12, radius + PAPER_M), deform=worn)
    return (body, Part(paper, Material("matt", texture=printed(rng))))


def _box(rng: np.random.Generator) -> tuple[Part, ...]:
    size = (rng.uniform(0.06, 0.2), rng.uniform(0.04, 0.12), rng.uniform(0.02, 0.09))
    card = tone(rng, hue=(0.05, 0.12), saturation=(0.1, 0.6), value=(0.3, 0.9))
    ground = card if rng.random() < 0.5 else print_colour(rng)
    return (Part(block(size), Material("matt", texture=printed(rng, (256, 256), ground=ground))),)


def _crumpled(rng: np.random.Generator) -> tuple[Part, ...]:
    solid = ball(rng.uniform(0.025, 0.06), rough=rng.uniform(0.08, 0.3), rng=rng)
    solid = stretched(solid, rng.uniform(0.6, 1.4, 3))
    if rng.random() < 0.3:
        return (
            Part(solid, Material("metal", (0.85, 0.85, 0.85), roughness=rng.uniform(0.1, 0.4))),
        )
    pale = tone(rng, saturation=(0, 0.4), value=(0.5, 1.0))
    return (Part(solid, Material("matt", pale if rng.random() < 0.6 else print_colour(rng))),)


def _jar(rng: np.random.Generator) -> tuple[Part, ...]:
    """A preserving jar with a metal lid; glass, but nobody's water bottle."""
    length, radius = rng.uniform(0.07, 0.15), rng.uniform(0.03, 0.045)
    shape = Bottle(length, radius, radius * 0.85, 0.012, 0.015, base=0.006)
    straight = battered(rng, length, radius)
    food = tone(rng, saturation=(0.3, 0.9), value=(0.15, 0.8))
    glass = Part(turned(shape.profile(), straight), Material("film", (0.95, 0.97, 0.95), ior=1.5))
    content = lathe(*shape.profile(inset=0.003)[:2], deform=straight)
    lid = Material("metal", print_colour(rng), roughness=0.25)
    cap = cylinder(0.014, radius * 0.9)
    top = lathe(cap.along, cap.radii)
    top = top._replace(vertices=top.vertices + np.array([length - 0.012, 0, 0]))
    filled = (Part(content, lacquer(rng, food)),) if rng.random() < 0.8 else ()
    return (glass, *filled, *sleeve_on(rng, shape, straight, chance=0.7), Part(top, lid))


def _slab(rng: np.random.Generator) -> tuple[Part, ...]:
    """A telephone, a card, a bar of chocolate."""
    size = (rng.uniform(0.07, 0.17), rng.uniform(0.05, 0.09), rng.uniform(0.002, 0.014))
    dark = tone(rng, saturation=(0, 0.3), value=(0.01, 0.15))
    ink = printed(rng, (256, 256), ground=dark if rng.random() < 0.5 else None)
    return (Part(block(size), Material("plastic", texture=ink, roughness=rng.uniform(0.03, 0.3))),)
